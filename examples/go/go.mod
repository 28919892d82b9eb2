module amc.example

go 1.19
