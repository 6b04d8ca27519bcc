package jsondoc

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
)

// maxDigits bounds the length of a sum.
const maxDigits = 400

// Add adds two JSON numbers exactly. It returns an error where the sum would have
// hundreds of digits.
func Add(a, b string) (string, error) {
	x, errX := strconv.ParseInt(a, 10, 64)
	y, errY := strconv.ParseInt(b, 10, 64)
	if sum := x + y; errX == nil && errY == nil && (sum > x) == (y > 0) {
		return strconv.FormatInt(sum, 10), nil
	}
	m, e := decimal(a)
	n, f := decimal(b)
	switch {
	case m.Sign() == 0:
		e = f
	case n.Sign() == 0:
		f = e
	}
	if digits := len(a) + len(b) + max(e, f) - min(e, f); digits > maxDigits {
		return "", errors.New("is too far from the number to add for an exact sum")
	}
	low := min(e, f)
	sum := new(big.Int).Add(shift(m, e-low), shift(n, f-low))
	return formatDecimal(sum, low), nil
}

// decimal returns a number as m × 10^e.
func decimal(literal string) (m *big.Int, e int) {
	whole, fraction, e := splitNumber(literal)
	m, _ = new(big.Int).SetString(whole+fraction, 10)
	if m.Sign() == 0 {
		return m, 0
	}
	return m, e - len(fraction)
}

// splitNumber splits a number into its sign and whole part, its fraction and its
// exponent.
func splitNumber(literal string) (whole, fraction string, exponent int) {
	if i := strings.IndexAny(literal, "eE"); i >= 0 {
		exponent, _ = strconv.Atoi(literal[i+1:]) // Parse bounds it
		literal = literal[:i]
	}
	whole, fraction, _ = strings.Cut(literal, ".")
	return whole, fraction, exponent
}

// Decimal returns a number as 0.d × 10^exponent, where its digits d have no zeros at
// either end. Zero has no digits.
func Decimal(literal string) (negative bool, digits string, exponent int) {
	whole, fraction, exponent := splitNumber(literal)
	whole, negative = strings.CutPrefix(whole, "-")
	digits = strings.TrimLeft(whole+fraction, "0")
	exponent += len(digits) - len(fraction)
	return negative, strings.TrimRight(digits, "0"), exponent
}

func shift(m *big.Int, by int) *big.Int {
	return new(big.Int).Mul(m, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(by)), nil))
}

func formatDecimal(m *big.Int, e int) string {
	if m.Sign() == 0 {
		return "0"
	}
	digits, sign := m.String(), ""
	if digits[0] == '-' {
		digits, sign = digits[1:], "-"
	}
	for e < 0 && strings.HasSuffix(digits, "0") {
		digits, e = digits[:len(digits)-1], e+1
	}
	switch {
	case e > 21, e < -maxDigits:
		return sign + digits + "e" + strconv.Itoa(e)
	case e >= 0:
		return sign + digits + strings.Repeat("0", e)
	case -e < len(digits):
		return sign + digits[:len(digits)+e] + "." + digits[len(digits)+e:]
	}
	return sign + "0." + strings.Repeat("0", -e-len(digits)) + digits
}
