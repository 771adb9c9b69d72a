package signature

import (
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"time"
)

// Curves over binary fields (SEC 2 version 2, 3.5 and 3.6), which upstream takes for signatures and Go's crypto/x509 does not know. Only public
// data is handled here, so nothing is done to keep secrets from who measures time.

// binaryCurve is y² + xy = x³ + ax² + b over the polynomials modulo one of degree m. Elements of the field are numbers, a bit for a coefficient.
type binaryCurve struct {
	oid   asn1.ObjectIdentifier
	m     uint
	terms []uint // the exponents of the modulus below m
	a, b  *big.Int
	g     point
	n     *big.Int // the order of g
}

// point is one of a curve, or the point at infinity when x is nil.
type point struct{ x, y *big.Int }

func number(hex string) *big.Int {
	n, ok := new(big.Int).SetString(hex, 16)
	if !ok {
		panic("signature: not a number: " + hex)
	}
	return n
}

var (
	terms409 = []uint{87, 0}
	terms571 = []uint{10, 5, 2, 0}
)

var binaryCurves = map[string]*binaryCurve{
	"ECC_SECT409K1": {
		oid: asn1.ObjectIdentifier{1, 3, 132, 0, 36}, m: 409, terms: terms409, a: number("0"), b: number("1"),
		g: point{
			number("0060f05f658f49c1ad3ab1890f7184210efd0987e307c84c27accfb8f9f67cc2c460189eb5aaaa62ee222eb1b35540cfe9023746"),
			number("01e369050b7c4e42acba1dacbf04299c3460782f918ea427e6325165e9ea10e3da5f6c42e9c55215aa9ca27a5863ec48d8e0286b"),
		},
		n: number("7ffffffffffffffffffffffffffffffffffffffffffffffffffe5f83b2d4ea20400ec4557d5ed3e3e7ca5b4b5c83b8e01e5fcf"),
	},
	"ECC_SECT409R1": {
		oid: asn1.ObjectIdentifier{1, 3, 132, 0, 37}, m: 409, terms: terms409, a: number("1"),
		b: number("21a5c2c8ee9feb5c4b9a753b7b476b7fd6422ef1f3dd674761fa99d6ac27c8a9a197b272822f6cd57a55aa4f50ae317b13545f"),
		g: point{
			number("015d4860d088ddb3496b0c6064756260441cde4af1771d4db01ffe5b34e59703dc255a868a1180515603aeab60794e54bb7996a7"),
			number("0061b1cfab6be5f32bbfa78324ed106a7636b9c5a7bd198d0158aa4f5488d08f38514f1fdf4b4f40d2181b3681c364ba0273c706"),
		},
		n: number("010000000000000000000000000000000000000000000000000001e2aad6a612f33307be5fa47c3c9e052f838164cd37d9a21173"),
	},
	"ECC_SECT571K1": {
		oid: asn1.ObjectIdentifier{1, 3, 132, 0, 38}, m: 571, terms: terms571, a: number("0"), b: number("1"),
		g: point{
			number("026eb7a859923fbc82189631f8103fe4ac9ca2970012d5d46024804801841ca44370958493b205e647da304db4ceb08cbbd1ba39494776fb988b47174dca88c7e2945283a01c8972"),
			number("0349dc807f4fbf374f4aeade3bca95314dd58cec9f307a54ffc61efc006d8a2c9d4979c0ac44aea74fbebbb9f772aedcb620b01a7ba7af1b320430c8591984f601cd4c143ef1c7a3"),
		},
		n: number("020000000000000000000000000000000000000000000000000000000000000000000000131850e1f19a63e4b391a8db917f4138b630d84be5d639381e91deb45cfe778f637c1001"),
	},
	"ECC_SECT571R1": {
		oid: asn1.ObjectIdentifier{1, 3, 132, 0, 39}, m: 571, terms: terms571, a: number("1"),
		b: number("02f40e7e2221f295de297117b7f3d62f5c6a97ffcb8ceff1cd6ba8ce4a9a18ad84ffabbd8efa59332be7ad6756a66e294afd185a78ff12aa520e4de739baca0c7ffeff7f2955727a"),
		g: point{
			number("0303001d34b856296c16c0d40d3cd7750a93d1d2955fa80aa5f40fc8db7b2abdbde53950f4c0d293cdd711a35b67fb1499ae60038614f1394abfa3b4c850d927e1e7769c8eec2d19"),
			number("037bf27342da639b6dccfffeb73d69d78c6c27a6009cbbca1980f8533921e8a684423e43bab08a576291af8f461bb2a8b3531d2f0485c19b16e2f1516e23dd3c1a4827af1b8ac15b"),
		},
		n: number("03ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe661ce18ff55987308059b186823851ec7dd9ca1161de93d5174d66e8382e9bb2fe84e47"),
	},
}

// binaryKey is a public key of such a curve.
type binaryKey struct {
	curve *binaryCurve
	point
}

// reduce makes v an element of the field.
func (c *binaryCurve) reduce(v *big.Int) *big.Int {
	for uint(v.BitLen()) > c.m {
		high := new(big.Int).Rsh(v, c.m)
		v.Xor(v, new(big.Int).Lsh(high, c.m))
		for _, e := range c.terms {
			v.Xor(v, new(big.Int).Lsh(high, e))
		}
	}
	return v
}

func (c *binaryCurve) mul(a, b *big.Int) *big.Int {
	sum, shifted := new(big.Int), new(big.Int).Set(a)
	for i := range b.BitLen() {
		if b.Bit(i) == 1 {
			sum.Xor(sum, shifted)
		}
		shifted.Lsh(shifted, 1)
	}
	return c.reduce(sum)
}

// inverse is that of an element which is not 0, by Euclid's algorithm on polynomials.
func (c *binaryCurve) inverse(a *big.Int) *big.Int {
	u, v := new(big.Int).Set(a), new(big.Int).SetBit(new(big.Int), int(c.m), 1)
	for _, e := range c.terms {
		v.SetBit(v, int(e), 1)
	}
	ofU, ofV := big.NewInt(1), new(big.Int)
	for u.BitLen() > 1 {
		if u.BitLen() < v.BitLen() {
			u, v, ofU, ofV = v, u, ofV, ofU
		}
		by := uint(u.BitLen() - v.BitLen())
		u.Xor(u, new(big.Int).Lsh(v, by))
		ofU.Xor(ofU, new(big.Int).Lsh(ofV, by))
	}
	return c.reduce(ofU)
}

func xor(values ...*big.Int) *big.Int {
	sum := new(big.Int)
	for _, v := range values {
		sum.Xor(sum, v)
	}
	return sum
}

func (c *binaryCurve) add(p, q point) point {
	switch {
	case p.x == nil:
		return q
	case q.x == nil:
		return p
	case p.x.Cmp(q.x) != 0:
		slope := c.mul(xor(p.y, q.y), c.inverse(xor(p.x, q.x)))
		x := xor(c.mul(slope, slope), slope, p.x, q.x, c.a)
		return point{x, xor(c.mul(slope, xor(p.x, x)), x, p.y)}
	case p.y.Cmp(q.y) != 0 || p.x.Sign() == 0: // one is the other's negative
		return point{}
	}
	slope := xor(p.x, c.mul(p.y, c.inverse(p.x)))
	x := xor(c.mul(slope, slope), slope, c.a)
	return point{x, xor(c.mul(p.x, p.x), c.mul(slope, x), x)}
}

// combine is j·p + k·q.
func (c *binaryCurve) combine(j *big.Int, p point, k *big.Int, q point) (sum point) {
	both := c.add(p, q)
	for i := max(j.BitLen(), k.BitLen()) - 1; i >= 0; i-- {
		sum = c.add(sum, sum)
		switch {
		case j.Bit(i) == 1 && k.Bit(i) == 1:
			sum = c.add(sum, both)
		case j.Bit(i) == 1:
			sum = c.add(sum, p)
		case k.Bit(i) == 1:
			sum = c.add(sum, q)
		}
	}
	return sum
}

// has tells whether a point is one of the curve.
func (c *binaryCurve) has(p point) bool {
	if uint(p.x.BitLen()) > c.m || uint(p.y.BitLen()) > c.m {
		return false
	}
	square := c.mul(p.x, p.x)
	return xor(c.mul(p.y, p.y), c.mul(p.x, p.y)).Cmp(xor(c.mul(square, p.x), c.mul(c.a, square), c.b)) == 0
}

// verify judges an ECDSA signature (FIPS 186-4, 6.4; SEC 1, 4.1.4).
func (k *binaryKey) verify(digest, value []byte) bool {
	var parts struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(value, &parts); err != nil || len(rest) > 0 {
		return false
	}
	n := k.curve.n
	for _, part := range []*big.Int{parts.R, parts.S} {
		if part.Sign() <= 0 || part.Cmp(n) >= 0 {
			return false
		}
	}
	e := new(big.Int).SetBytes(digest)
	if excess := 8*len(digest) - n.BitLen(); excess > 0 {
		e.Rsh(e, uint(excess))
	}
	w := new(big.Int).ModInverse(parts.S, n)
	j, l := new(big.Int).Mul(e, w), new(big.Int).Mul(parts.R, w)
	at := k.curve.combine(j.Mod(j, n), k.curve.g, l.Mod(l, n), k.point)
	return at.x != nil && new(big.Int).Mod(at.x, n).Cmp(parts.R) == 0
}

// binaryCertificate is as much of a certificate (RFC 5280, 4.1) as a signature needs.
type binaryCertificate struct {
	Signed struct {
		Version  int `asn1:"optional,explicit,default:0,tag:0"`
		Serial   *big.Int
		Method   asn1.RawValue
		Issuer   asn1.RawValue
		Validity struct{ NotBefore, NotAfter time.Time }
		Subject  asn1.RawValue
		Key      struct {
			Algorithm struct {
				ID    asn1.ObjectIdentifier
				Curve asn1.ObjectIdentifier
			}
			Point asn1.BitString
		}
		IssuerID   asn1.BitString  `asn1:"optional,tag:1"`
		SubjectID  asn1.BitString  `asn1:"optional,tag:2"`
		Extensions []asn1.RawValue `asn1:"optional,explicit,tag:3"`
	}
	Method asn1.RawValue
	Value  asn1.BitString
}

var (
	ecPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	errNoBinary = errors.New("not a certificate of a key on a binary curve")
)

// parseBinary reads a certificate whose key is on a curve over a binary field. The key's point must be written in full.
func parseBinary(der []byte) (*certificate, error) {
	var c binaryCertificate
	if rest, err := asn1.Unmarshal(der, &c); err != nil || len(rest) > 0 || !c.Signed.Key.Algorithm.ID.Equal(ecPublicKey) {
		return nil, errNoBinary
	}
	for _, curve := range binaryCurves {
		size := int(curve.m+7) / 8
		text := c.Signed.Key.Point.RightAlign()
		if !curve.oid.Equal(c.Signed.Key.Algorithm.Curve) || len(text) != 1+2*size || text[0] != 4 {
			continue
		}
		p := point{new(big.Int).SetBytes(text[1 : 1+size]), new(big.Int).SetBytes(text[1+size:])}
		if !curve.has(p) {
			return nil, errNoBinary
		}
		return &certificate{key: &binaryKey{curve, p}, notBefore: c.Signed.Validity.NotBefore, notAfter: c.Signed.Validity.NotAfter}, nil
	}
	return nil, errNoBinary
}

// verifiable tells whether a key type is one that is verified here.
func verifiable(kind string) bool {
	return slices.Contains([]string{"RSA-PSS", "DSA"}, kind) || curves[kind] != nil || binaryCurves[kind] != nil
}
