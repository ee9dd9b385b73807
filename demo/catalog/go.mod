module stackwell.demo/catalog

go 1.19
