module stackwell/replay

go 1.21
