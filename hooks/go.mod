module sandbox-run/hooks

go 1.25
