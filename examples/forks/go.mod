module example.test/forks

go 1.25
