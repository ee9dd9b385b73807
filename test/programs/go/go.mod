module stackwell.test/ledger

go 1.19
