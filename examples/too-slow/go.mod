module example.test/too-slow

go 1.25
