package main

import "example.org/bench/hook"

func switchOn() { hook.SwitchOn() }
