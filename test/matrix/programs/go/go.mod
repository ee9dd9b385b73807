module kinds

go 1.18
