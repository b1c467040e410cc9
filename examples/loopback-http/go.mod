module example.test/loopback-http

go 1.25
