package query

// The reference of queries, for tests of what answers them.
var (
	RefDecode        = refDecode
	RefCompareValues = refCompareValues
	RefQuery         = refQuery
	SomeRecord       = someRecord
	SomeQuery        = someQuery
)
