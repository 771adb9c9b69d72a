// Package imageformat decides what a disk image really is, from its bytes alone, and whether it is safe to open.
//
// An Inspector is an io.Writer that an upload (or any copy) is teed into. It keeps a few small windows of the
// stream (at most about 1.2 MiB, and only for a VMDK) however long the stream is, and never fails a write. At the
// end Report says which formats match, the virtual size and every reason to refuse the image.
//
// It is called at each boundary where a file that a tenant made enters or is used: upload to the image service, the
// image cache of a compute host, a volume made from an image. It opens nothing, runs nothing and trusts nothing it reads.
//
// Sources of the rules: the formats' own documents (QEMU docs/interop/qcow2.txt, the VMware Virtual Disk Format note,
// MS-VHDX, ECMA-119), and the security advisories OSSA-2015-014, OSSA-2023-002, OSSA-2024-001, -002 and -003.
package imageformat
