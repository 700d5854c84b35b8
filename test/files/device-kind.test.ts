import { describe, expect, it } from 'vitest'
import { deviceKind } from '../../src/files/device-kind.ts'

describe('the kind of a device', () => {
  it('is network for NFS, SMB, CIFS, 9p and FUSE, also where the number came signed', () => {
    for (const type of [0x6969, 0xfe534d42, 0xff534d42, 0x01021997, 0x65735546, 0xfe534d42 | 0]) {
      expect(deviceKind(type, 'linux'), type.toString(16)).toEqual({ isNetwork: true, isOverlay: false })
    }
  })

  it('is overlay for the layer of a container', () => {
    expect(deviceKind(0x794c7630, 'linux')).toEqual({ isNetwork: false, isOverlay: true })
  })

  it('is neither for ext4, XFS, btrfs and tmpfs', () => {
    for (const type of [0xef53, 0x58465342, 0x9123683e, 0x01021994]) {
      expect(deviceKind(type, 'linux')).toEqual({ isNetwork: false, isOverlay: false })
    }
  })

  it('is not guessed from the numbers of another system', () => {
    expect(deviceKind(0x6969, 'darwin')).toEqual({ isNetwork: false, isOverlay: false })
  })
})
