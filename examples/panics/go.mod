module example.test/panics

go 1.25
