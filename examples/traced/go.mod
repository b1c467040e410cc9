module example.test/traced

go 1.25
