module example.test/deadlocks

go 1.25
