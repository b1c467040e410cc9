module everyday

go 1.25
