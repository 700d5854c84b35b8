/**
 * The header of every file of ours under `<dir>/pocketmq/`. Big-endian, 12 bytes; the body follows.
 *
 * | offset | bytes | field   | meaning                                                            |
 * | -----: | ----: | ------- | ------------------------------------------------------------------ |
 * |      0 |     4 | magic   | ASCII `PMQ1`                                                       |
 * |      4 |     4 | version | u32, 1                                                             |
 * |      8 |     4 | crc     | u32, CRC-32 of everything else: the version's 4 bytes, then the body |
 *
 * The CRC covers the version too, so that a flipped bit there is damage (rebuilt) and never taken for a newer format (refused).
 */
import { PocketMQError } from '../base/errors.ts'
import { crc32 } from './crc.ts'
import { layoutBytes, offsetsOf } from './layout.ts'

export const OWN_FILE_HEADER_LAYOUT = [
  { offset: 0, bytes: 4, field: 'magic' },
  { offset: 4, bytes: 4, field: 'version' },
  { offset: 8, bytes: 4, field: 'crc' },
] as const

export const OWN_FILE_HEADER_BYTES: number = layoutBytes(OWN_FILE_HEADER_LAYOUT)
/** ASCII `PMQ1`. */
export const OWN_FILE_MAGIC = 0x504d5131
/** The format version of all our files. */
export const OWN_FILE_VERSION = 1

const AT = offsetsOf(OWN_FILE_HEADER_LAYOUT)

/** A file's bytes: the header, then `body` (copied). */
export function encodeOwnFile(body: Uint8Array, version: number = OWN_FILE_VERSION): Buffer {
  const bytes = Buffer.allocUnsafe(OWN_FILE_HEADER_BYTES + body.length)
  bytes.writeUInt32BE(OWN_FILE_MAGIC, AT.magic)
  bytes.writeUInt32BE(version, AT.version)
  bytes.set(body, OWN_FILE_HEADER_BYTES)
  bytes.writeUInt32BE(crcOf(bytes), AT.crc)
  return bytes
}

/**
 * The body of a file of ours: a view of `bytes`.
 * @throws CORRUPT when the bytes are not what was written; UNSUPPORTED_FORMAT when a newer PocketMQ wrote them
 */
export function decodeOwnFile(bytes: Buffer, file: string): Buffer {
  if (bytes.length < OWN_FILE_HEADER_BYTES) {
    throw damagedOwnFile(file, `at least ${OWN_FILE_HEADER_BYTES} bytes`, `${bytes.length} bytes`)
  }
  const magic = bytes.readUInt32BE(AT.magic)
  if (magic !== OWN_FILE_MAGIC) throw damagedOwnFile(file, `magic ${hex(OWN_FILE_MAGIC)}`, hex(magic))
  const crc = bytes.readUInt32BE(AT.crc)
  const expected = crcOf(bytes)
  if (crc !== expected) throw damagedOwnFile(file, `CRC ${hex(expected)}`, hex(crc))
  const version = bytes.readUInt32BE(AT.version)
  if (version !== OWN_FILE_VERSION) {
    throw new PocketMQError(
      'UNSUPPORTED_FORMAT',
      `${file} has version ${version}, this PocketMQ reads ${OWN_FILE_VERSION}`,
      {
        hint: 'Open the folder with the PocketMQ that wrote it, or a newer one.',
        details: { file, expected: OWN_FILE_VERSION, found: version },
      },
    )
  }
  return bytes.subarray(OWN_FILE_HEADER_BYTES)
}

/** The error for a file of ours that does not read; it is rebuilt, never fatal. */
export function damagedOwnFile(file: string, expected: string, found: string): PocketMQError {
  return new PocketMQError('CORRUPT', `${file} is damaged: ${found} where ${expected} belongs`, {
    hint: 'PocketMQ rebuilds the file; no message is lost by it.',
    details: { file, expected, found },
  })
}

function crcOf(bytes: Buffer): number {
  const version = bytes.subarray(AT.version, AT.version + 4)
  return crc32(bytes.subarray(OWN_FILE_HEADER_BYTES), crc32(version))
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}
