package api_test

import (
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
)

func md5of(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

func sha512of(b []byte) string {
	sum := sha512.Sum512(b)
	return hex.EncodeToString(sum[:])
}
