package qemuimg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// aclName is the extended attribute that holds a file's POSIX access control list (acl(5)).
const aclName = "system.posix_acl_access"

// Tags of ACL entries (linux/posix_acl_xattr.h).
const (
	aclVersion  = 2
	aclUserObj  = 0x01
	aclUser     = 0x02
	aclGroupObj = 0x04
	aclMask     = 0x10
	aclOther    = 0x20
	aclNoID     = 0xffffffff
)

// grant lets the sandbox user read f. It does so by an ACL entry for that one user, which stays: the directories above are
// closed to it, and it owns nothing. File systems without ACLs get the read bit for others instead.
func (c *call) grant(f *os.File) error {
	if !c.tool.switchUser() {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if st.Mode&0o004 != 0 || st.Uid == sandboxID {
		return nil
	}
	buf := make([]byte, 1024)
	if n, err := unix.Fgetxattr(int(f.Fd()), aclName, buf); err == nil {
		if hasReader(buf[:n]) {
			return nil
		}
		return fmt.Errorf("qemu-img: %s has an access control list that does not let the sandbox read it", f.Name())
	}
	err := unix.Fsetxattr(int(f.Fd()), aclName, aclFor(st.Mode), 0)
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = f.Chmod(os.FileMode(st.Mode&0o777) | 0o004)
	}
	if err != nil {
		return fmt.Errorf("qemu-img: cannot let the sandbox read %s: %w", f.Name(), err)
	}
	return nil
}

// aclFor is the file's mode as an ACL, plus read for the sandbox user.
func aclFor(mode uint32) []byte {
	acl := binary.LittleEndian.AppendUint32(nil, aclVersion)
	entry := func(tag, perm uint16, id uint32) {
		acl = binary.LittleEndian.AppendUint16(acl, tag)
		acl = binary.LittleEndian.AppendUint16(acl, perm)
		acl = binary.LittleEndian.AppendUint32(acl, id)
	}
	owner, group, other := uint16(mode>>6&7), uint16(mode>>3&7), uint16(mode&7)
	entry(aclUserObj, owner, aclNoID)
	entry(aclUser, 4, sandboxID)
	entry(aclGroupObj, group, aclNoID)
	entry(aclMask, group|4, aclNoID)
	entry(aclOther, other, aclNoID)
	return acl
}

func hasReader(acl []byte) bool {
	for off := 4; off+8 <= len(acl); off += 8 {
		tag, perm := binary.LittleEndian.Uint16(acl[off:]), binary.LittleEndian.Uint16(acl[off+2:])
		if tag == aclUser && binary.LittleEndian.Uint32(acl[off+4:]) == sandboxID && perm&4 != 0 {
			return true
		}
	}
	return false
}
