module example.test/opens-a-socket

go 1.25
