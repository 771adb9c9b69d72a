package db

import (
	"database/sql/driver"
	"fmt"
	"regexp"
	"sync"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"modernc.org/sqlite"
)

// matches is the database's operator for "matches this regular expression", as upstream's name filters use it.
func matches(h bun.IDB) string {
	if h.Dialect().Name() == dialect.PG {
		return "~"
	}
	return "REGEXP"
}

// SQLite has the operator but no function behind it until somebody gives it one; it must be there before a connection opens.

var compiled sync.Map // pattern to *regexp.Regexp

func init() { //nolint:gochecknoinits // the driver's registry is global and read when a connection opens
	sqlite.MustRegisterDeterministicScalarFunction("regexp", 2, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		pattern, text := fmt.Sprint(args[0]), fmt.Sprint(args[1])
		re, ok := compiled.Load(pattern)
		if !ok {
			r, err := regexp.Compile(pattern)
			if err != nil {
				return nil, err
			}
			compiled.Clear() // one list request has one pattern: nothing is gained by keeping more
			compiled.Store(pattern, r)
			re = r
		}
		if re.(*regexp.Regexp).MatchString(text) { //nolint:forcetypeassert // only stored above
			return int64(1), nil
		}
		return int64(0), nil
	})
}
