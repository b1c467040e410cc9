module example.test/several-packages

go 1.25
