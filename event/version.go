package event

import (
	"cmp"
	"regexp"
	"strconv"
)

// ContractVersion is the version of the event contract that this package describes. Its first
// number goes up when what was written for the one before works no longer, the second when
// something is added. A registration names the one that its plugin was written for.
const ContractVersion = "1.1"

// FirstContract is the version of registrations that name none, as those of earlier releases.
const FirstContract = "1.0"

var contractPattern = regexp.MustCompile(`^(\d{1,4})\.(\d{1,4})$`)

// CheckContract returns an INVALID_INPUT error unless what was written for a version of the
// contract works with ContractVersion, and reports whether that version is newer.
func CheckContract(version string) (newer bool, err error) {
	theirs, ours := contractPattern.FindStringSubmatch(version), contractPattern.FindStringSubmatch(ContractVersion)
	if theirs == nil {
		return false, Errorf(InvalidInput, "contract %.20q is no version of the event contract, such as %s", version, ContractVersion)
	}
	compare := func(i int) int {
		a, _ := strconv.Atoi(theirs[i]) // digits
		b, _ := strconv.Atoi(ours[i])
		return cmp.Compare(a, b)
	}
	switch major, minor := compare(1), compare(2); {
	case major > 0:
		return true, Errorf(InvalidInput, "it is written for version %s of the event contract, and this bot keeps %s: use a newer bot, or an older version of the plugin", version, ContractVersion)
	case major < 0:
		return false, Errorf(InvalidInput, "it is written for version %s of the event contract, and this bot keeps %s: use a newer version of the plugin", version, ContractVersion)
	default:
		return minor > 0, nil
	}
}
