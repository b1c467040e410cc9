module example.test/time-zones-and-users

go 1.25
