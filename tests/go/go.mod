module candor.example/gocheck

// Debian 12 has Go 1.19, and later versions of the library want later ones.
go 1.18

require golang.org/x/mod v0.20.0
