module probe/devices/device-times

go 1.19
