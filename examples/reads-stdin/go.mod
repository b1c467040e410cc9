module example.test/reads-stdin

go 1.25
