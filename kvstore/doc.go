// Package kvstore is the database.* service of the contract: collections of JSON
// records in JetStream key-value buckets.
//
// A collection is the bucket db_<collection>, a record one of its keys, and a
// record's revision the sequence of the message that holds it. Anything that
// speaks NATS can therefore watch a collection by watching its bucket: a value
// is a record's JSON object with its id, a delete marker a deleted record. Keys
// that begin with = and no two hex digits are not records.
package kvstore
