package dump

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Row is the values of a row in the order of its table's columns: string, int64, bool, time.Time (UTC, microseconds), float64 or nil.
type Row []any

// timeForms are what drivers and SQLite's text have for a time.
var timeForms = []string{
	"2006-01-02 15:04:05.999999999-07:00", "2006-01-02 15:04:05.999999999+00", "2006-01-02T15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02",
}

// normal turns what a driver gave for a column into the plain value of its type.
func normal(c Column, v any) (any, error) {
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	if v == nil {
		return nil, nil
	}
	switch c.Type {
	case Text:
		if s, ok := v.(string); ok {
			return s, nil
		}
	case Integer:
		switch n := v.(type) {
		case int64:
			return n, nil
		case string:
			return strconv.ParseInt(n, 10, 64)
		}
	case Boolean:
		switch b := v.(type) {
		case bool:
			return b, nil
		case int64:
			return b != 0, nil
		}
	case Double:
		switch f := v.(type) {
		case float64:
			return f, nil
		case int64:
			return float64(f), nil
		}
	case Timestamp:
		switch t := v.(type) {
		case time.Time:
			return t.UTC().Truncate(time.Microsecond), nil
		case string:
			for _, form := range timeForms {
				if at, err := time.Parse(form, t); err == nil {
					return at.UTC().Truncate(time.Microsecond), nil
				}
			}
		}
	}
	return nil, fmt.Errorf("column %s holds %T %v, which is no %s", c.Name, v, v, c.Type)
}

// encode writes a row as a JSON array. Times are RFC 3339; numbers that JSON readers would round are as Go writes them.
func encode(r Row) ([]byte, error) {
	out := make([]any, len(r))
	for i, v := range r {
		switch v := v.(type) {
		case time.Time:
			out[i] = v.Format(time.RFC3339Nano)
		case float64:
			out[i] = strconv.FormatFloat(v, 'g', -1, 64)
		case int64:
			out[i] = json.Number(strconv.FormatInt(v, 10))
		default:
			out[i] = v
		}
	}
	return json.Marshal(out)
}

// decode is encode's opposite.
func decode(t *Table, line []byte) (Row, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(line, &raw); err != nil || len(raw) != len(t.Columns) {
		return nil, fmt.Errorf("%s: a line of %d values is no row of %d columns (%w)", t.Name, len(raw), len(t.Columns), err)
	}
	row := make(Row, len(raw))
	for i, c := range t.Columns {
		if string(raw[i]) == "null" {
			continue
		}
		var err error
		switch c.Type {
		case Text:
			row[i], err = scalar[string](raw[i])
		case Integer:
			row[i], err = scalar[int64](raw[i])
		case Boolean:
			row[i], err = scalar[bool](raw[i])
		case Timestamp:
			var t time.Time
			if t, err = scalar[time.Time](raw[i]); err == nil {
				row[i] = t.UTC()
			}
		case Double:
			var s string
			if s, err = scalar[string](raw[i]); err == nil {
				row[i], err = strconv.ParseFloat(s, 64)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t.Name, c.Name, err)
		}
	}
	return row, nil
}

func scalar[T any](raw json.RawMessage) (T, error) {
	var v T
	return v, json.Unmarshal(raw, &v)
}

// Sum tells whether two tables hold the same rows, in whatever order: how many, and the sum of the rows' SHA-256.
type Sum struct {
	Rows   int64  `json:"rows"`
	Digest string `json:"digest"`
}

// summer adds rows up.
type summer struct {
	rows int64
	sum  [4]uint64
}

func (s *summer) add(r Row) {
	h := sha256.New()
	var n [9]byte
	put := func(kind byte, v uint64) {
		n[0] = kind
		binary.BigEndian.PutUint64(n[1:], v)
		h.Write(n[:])
	}
	for _, v := range r {
		switch v := v.(type) {
		case nil:
			put('n', 0)
		case string:
			put('s', uint64(len(v)))
			h.Write([]byte(v))
		case int64:
			put('i', uint64(v))
		case bool:
			b := uint64(0)
			if v {
				b = 1
			}
			put('b', b)
		case float64:
			put('f', math.Float64bits(v))
		case time.Time:
			put('t', uint64(v.UnixMicro()))
		}
	}
	digest := h.Sum(nil)
	for i := range s.sum {
		s.sum[i] += binary.BigEndian.Uint64(digest[8*i:])
	}
	s.rows++
}

func (s *summer) result() Sum {
	var b [32]byte
	for i, v := range s.sum {
		binary.BigEndian.PutUint64(b[8*i:], v)
	}
	return Sum{s.rows, hex.EncodeToString(b[:])}
}
