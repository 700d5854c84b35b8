/**
 * Compressed bodies. The store never looks into one: producers compress and consumers expand, by bits of sysFlag.
 * RocketMQ: Compressor, CompressionType; zlib streams (RFC 1950), LZ4 frames, zstd frames.
 */
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { asError, PocketMQError } from '../base/errors.ts'
import { readLz4Frame } from './lz4-frame.ts'
import { writeLz4Frame } from './lz4-writer.ts'
import {
  COMPRESSED_FLAG,
  COMPRESSION_LZ4,
  COMPRESSION_MASK,
  COMPRESSION_ZLIB,
  COMPRESSION_ZSTD,
} from './record-layout.ts'
import { readZstdFrame } from './zstd-frame.ts'

/** How a body can be compressed. `zstd` needs Node 22.15 or later to compress, and any to expand. */
export type CompressionType = 'zlib' | 'lz4' | 'zstd'

/** sysFlag bits of each. */
const FLAGS: Readonly<Record<CompressionType, number>> = {
  zlib: COMPRESSED_FLAG | COMPRESSION_ZLIB,
  lz4: COMPRESSED_FLAG | COMPRESSION_LZ4,
  zstd: COMPRESSED_FLAG | COMPRESSION_ZSTD,
}

/** Options of Node's zstd, which `@types/node` 20 does not know. */
type ZstdOptions = { readonly params?: Readonly<Record<number, number>>; readonly maxOutputLength?: number }
type NativeZstd = {
  readonly zstdCompressSync?: (body: Uint8Array, options: ZstdOptions) => Buffer
  readonly zstdDecompressSync?: (body: Uint8Array, options: ZstdOptions) => Buffer
}
const nativeZstd = zlib as unknown as NativeZstd
/** ZSTD_c_compressionLevel of zstd.h. */
const ZSTD_LEVEL_PARAMETER = 100

const deflate = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.deflate)
const inflate = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.inflate)

/** The sysFlag bits of a body compressed in this way. */
export function compressionFlags(type: CompressionType): number {
  return FLAGS[type]
}

/** How the body of a message with this sysFlag is compressed; undefined where it is not. @throws CORRUPT for an unknown way */
export function compressionOf(sysFlag: number): CompressionType | undefined {
  if ((sysFlag & COMPRESSED_FLAG) === 0) return undefined
  const bits = sysFlag & COMPRESSION_MASK
  // Clients of RocketMQ 4 set no type: zlib.
  if (bits === COMPRESSION_ZLIB || bits === 0) return 'zlib'
  if (bits === COMPRESSION_LZ4) return 'lz4'
  if (bits === COMPRESSION_ZSTD) return 'zstd'
  throw new PocketMQError('CORRUPT', `sysFlag 0x${sysFlag.toString(16)} names no known compression`, {
    hint: 'Read the body as stored: it was written by a newer version, or is damaged.',
    details: { expected: 'compression bits 0x000, 0x100, 0x200 or 0x300', found: `0x${bits.toString(16)}` },
  })
}

/**
 * `body` compressed; set {@link compressionFlags} in the message's sysFlag.
 * @param level of the way's own scale; lz4 has none
 * @throws INVALID_ARGUMENT where this Node has no zstd
 */
export function compressBody(body: Uint8Array, type: CompressionType, level: number): Buffer {
  if (type === 'zlib') return zlib.deflateSync(body, { level })
  return type === 'lz4' ? writeLz4Frame(body) : compressZstd(body, level)
}

/** The same off the event loop, where Node can do that: zlib. */
export async function compressBodyAsync(body: Uint8Array, type: CompressionType, level: number): Promise<Buffer> {
  return type === 'zlib' ? deflate(body, { level }) : compressBody(body, type, level)
}

/**
 * The body as its producer gave it; `body` itself where it is not compressed.
 * @throws CORRUPT where it does not expand, MESSAGE_TOO_LARGE where it would to more than `bytesMax`
 */
export function decompressBody(body: Buffer, sysFlag: number, bytesMax: number): Buffer {
  const type = compressionOf(sysFlag)
  if (type === undefined) return body
  if (type === 'lz4') return expanded(readLz4Frame(body, bytesMax), type, bytesMax)
  try {
    if (type === 'zlib') return zlib.inflateSync(body, { maxOutputLength: bytesMax })
    if (nativeZstd.zstdDecompressSync !== undefined) {
      return nativeZstd.zstdDecompressSync(body, { maxOutputLength: bytesMax })
    }
  } catch (error) {
    throw nodeFailure(error, type, bytesMax)
  }
  return expanded(readZstdFrame(body, bytesMax), type, bytesMax)
}

/** The same off the event loop, where Node can do that: zlib. */
export async function decompressBodyAsync(body: Buffer, sysFlag: number, bytesMax: number): Promise<Buffer> {
  if (compressionOf(sysFlag) !== 'zlib') return decompressBody(body, sysFlag, bytesMax)
  try {
    return await inflate(body, { maxOutputLength: bytesMax })
  } catch (error) {
    throw nodeFailure(error, 'zlib', bytesMax)
  }
}

function compressZstd(body: Uint8Array, level: number): Buffer {
  if (nativeZstd.zstdCompressSync !== undefined) {
    return nativeZstd.zstdCompressSync(body, { params: { [ZSTD_LEVEL_PARAMETER]: level } })
  }
  throw new PocketMQError('INVALID_ARGUMENT', `Node ${process.versions.node} cannot compress by zstd`, {
    hint: "Use Node 22.15 or later, or compression 'zlib' or 'lz4'.",
    details: { field: 'compression', given: 'zstd' },
  })
}

function expanded(result: Buffer | 'damaged' | 'too-large', type: CompressionType, bytesMax: number): Buffer {
  if (result === 'too-large') throw tooLarge(type, bytesMax)
  if (result === 'damaged') throw damaged(type, undefined)
  return result
}

function nodeFailure(error: unknown, type: CompressionType, bytesMax: number): PocketMQError {
  const isTooLarge = asError(error) instanceof RangeError
  return isTooLarge ? tooLarge(type, bytesMax) : damaged(type, error)
}

function tooLarge(type: CompressionType, limit: number): PocketMQError {
  return new PocketMQError('MESSAGE_TOO_LARGE', `A body compressed by ${type} expands to more than ${limit} bytes`, {
    hint: 'Read it as stored, or allow larger messages.',
    details: { field: 'body', limit },
  })
}

function damaged(type: CompressionType, cause: unknown): PocketMQError {
  return new PocketMQError('CORRUPT', `A body is marked as compressed by ${type} but does not expand`, {
    hint: 'Read the body as stored: its producer wrote it so.',
    cause,
    details: { expected: `a ${type} stream`, found: 'bytes that are none' },
  })
}
