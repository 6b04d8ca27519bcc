package event

// Personal is the name of a person or what one wrote, as an attribute of a log record. The
// loggers of package telemetry write it only at level debug, as nothing erases it from a
// log.
type Personal string
