module example.test/uses-cgo

go 1.25
