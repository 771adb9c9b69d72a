package token

import "fmt"

// Methods are the authentication methods in the order of upstream's [auth] methods; the position gives a method's bit.
// The order is part of the wire format. The last two are what a deployment may add: one-time passwords, and the mark of a token that a signed
// EC2 or S3 request was exchanged for.
var Methods = []string{"external", "password", "token", "oauth1", "mapped", "application_credential", "totp", "ec2credential"}

func methodMask(names []string) (int, error) {
	mask := 0
next:
	for _, name := range names {
		for i, known := range Methods {
			if name == known {
				mask |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("unknown authentication method %q", name)
	}
	return mask, nil
}

// methodNames lists the methods of mask, the highest bit first as upstream does.
func methodNames(mask int64) ([]string, error) {
	if mask < 0 || mask >= 1<<len(Methods) {
		return nil, fmt.Errorf("unknown authentication methods %#x", mask)
	}
	var names []string
	for i := len(Methods) - 1; i >= 0; i-- {
		if mask&(1<<i) != 0 {
			names = append(names, Methods[i])
		}
	}
	return names, nil
}
