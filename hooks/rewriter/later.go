package main

func runListFunctions(args []string) error { return nil }
func runShowSource(args []string) error    { return nil }
