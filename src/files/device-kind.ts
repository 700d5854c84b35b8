/** What kind of file system a device has, from the type number of statfs(2). Linux numbers: include/uapi/linux/magic.h. */

/** File systems that other machines may write, or whose flush and locks mean little. */
const NETWORK_TYPES: ReadonlySet<number> = new Set([
  0x6969, // NFS
  0x517b, // SMB, the old one
  0xfe534d42, // SMB2
  0xff534d42, // CIFS
  0x01021997, // 9p
  0x65735546, // FUSE: sshfs, s3fs and the like cannot be told from a local one, so all of them count
  0x5346414f, // AFS
  0x00c36400, // Ceph
  0x0bd00bd0, // Lustre
  0x01161970, // GFS2
  0x7461636f, // OCFS2
  0x47504653, // GPFS
])
const OVERLAY_TYPES: ReadonlySet<number> = new Set([
  0x794c7630, // overlayfs
  0x61756673, // aufs
])

/** What a type number says; on another system than Linux, nothing. */
export function deviceKind(type: number, platform: string): { isNetwork: boolean; isOverlay: boolean } {
  // The field is a signed 32 bit number on some builds.
  const number = type >>> 0
  const isLinux = platform === 'linux'
  return { isNetwork: isLinux && NETWORK_TYPES.has(number), isOverlay: isLinux && OVERLAY_TYPES.has(number) }
}
