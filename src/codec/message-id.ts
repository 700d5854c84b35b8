/**
 * Message ids as text: the offset message id that says where a record lies, and the unique key that a producer gives.
 * RocketMQ: MessageDecoder.createMessageId, MessageClientIDSetter.
 */
import { PocketMQError } from '../base/errors.ts'
import { i64At } from './bytes.ts'
import type { Host } from './host.ts'
import { HOST_BYTES, HOST_IPV6_BYTES, PORT_BYTES, parseHost } from './host.ts'
import { layoutBytes, offsetsOf } from './layout.ts'

const OFFSET_BYTES = 8

/** Upper-case hex of the store host and the physicalOffset: 32 characters, 56 with an IPv6 host. */
export function offsetMessageId(host: Host, physicalOffset: number): string {
  const bytes = Buffer.alloc(host.bytes.length + PORT_BYTES)
  host.bytes.copy(bytes)
  bytes.writeInt32BE(host.port, host.bytes.length)
  return messageIdOfHost(bytes, 0, host.isIpv6, physicalOffset)
}

/** The same, of the host that starts at `at` of a record. */
export function messageIdOfHost(bytes: Buffer, at: number, isIpv6: boolean, physicalOffset: number): string {
  const host = bytes.toString('hex', at, at + (isIpv6 ? HOST_IPV6_BYTES : HOST_BYTES))
  return (host + physicalOffset.toString(16).padStart(2 * OFFSET_BYTES, '0')).toUpperCase()
}

/** What an offset message id says. @throws INVALID_ARGUMENT where it is none */
export function parseOffsetMessageId(id: string): { readonly host: Host; readonly physicalOffset: number } {
  const isIpv6 = id.length === 2 * (HOST_IPV6_BYTES + OFFSET_BYTES)
  const hostLength = isIpv6 ? HOST_IPV6_BYTES : HOST_BYTES
  const bytes = /^[0-9a-fA-F]*$/.test(id) ? Buffer.from(id, 'hex') : Buffer.alloc(0)
  const physicalOffset = bytes.length === hostLength + OFFSET_BYTES ? i64At(bytes, hostLength) : -1
  if (!Number.isSafeInteger(physicalOffset) || physicalOffset < 0) {
    throw new PocketMQError('INVALID_ARGUMENT', `${JSON.stringify(id)} is no offset message id`, {
      hint: 'Give 32 hex digits, or 56 where the store host is IPv6, as in receipt.offsetMessageId.',
      details: { field: 'id', given: id },
    })
  }
  const port = bytes.readInt32BE(hostLength - PORT_BYTES)
  return { host: { bytes: bytes.subarray(0, hostLength - PORT_BYTES), port, isIpv6 }, physicalOffset }
}

/**
 * A unique key, before it becomes 32 characters of upper-case hex.   RocketMQ: MessageClientIDSetter.
 *
 * | offset | bytes | field        | meaning                                                     |
 * | -----: | ----: | ------------ | ----------------------------------------------------------- |
 * |      0 |     4 | address      | of the maker, IPv4                                          |
 * |      4 |     2 | processId    | its low 16 bits                                             |
 * |      6 |     4 | makerId      | random; RocketMQ: hash of the class loader                  |
 * |     10 |     4 | monthMs      | milliseconds since the month began where the maker is       |
 * |     14 |     2 | counter      | starts anywhere, wraps                                      |
 */
export const UNIQUE_ID_LAYOUT = [
  { offset: 0, bytes: 4, field: 'address' },
  { offset: 4, bytes: 2, field: 'processId' },
  { offset: 6, bytes: 4, field: 'makerId' },
  { offset: 10, bytes: 4, field: 'monthMs' },
  { offset: 14, bytes: 2, field: 'counter' },
] as const

const ID_AT = offsetsOf(UNIQUE_ID_LAYOUT)

/** What makes one maker's keys differ from another's. */
export type UniqueIdsOptions = {
  /** Epoch milliseconds. */
  readonly nowMs: () => number
  /** From 0 up to 1; seeded in tests. */
  readonly random: () => number
  readonly processId: number
  /** IPv4 address. Default 127.0.0.1. */
  readonly address?: string
}

const COUNTER_END = 0x1_0000
/** All two-digit hex numbers. */
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).toUpperCase().padStart(2, '0'),
)

/** Makes unique keys; one maker serves one producer. */
export class UniqueIds {
  readonly #options: UniqueIdsOptions
  readonly #bytes: Buffer = Buffer.alloc(layoutBytes(UNIQUE_ID_LAYOUT))
  /** Never falls, so that a clock that steps back makes no key twice. */
  #timeMs = 0
  #monthStartMs = 0
  #monthEndMs = 0
  #counter: number
  /** How many keys the present millisecond may still have before the counter comes round. */
  #left = 0
  /** Everything but the counter, as text. */
  #prefix = ''

  constructor(options: UniqueIdsOptions) {
    this.#options = options
    this.#counter = Math.floor(options.random() * COUNTER_END)
    parseHost(`${options.address ?? '127.0.0.1'}:0`).bytes.copy(this.#bytes, ID_AT.address, 0, ID_AT.processId)
    this.#bytes.writeUInt16BE(options.processId & 0xffff, ID_AT.processId)
  }

  /** The next key. */
  next(): string {
    const nowMs = this.#options.nowMs()
    if (nowMs > this.#timeMs || this.#left === 0) this.#startMillisecond(Math.max(nowMs, this.#timeMs + 1))
    this.#left--
    this.#counter = (this.#counter + 1) % COUNTER_END
    return this.#prefix + HEX[this.#counter >> 8] + HEX[this.#counter & 0xff]
  }

  #startMillisecond(timeMs: number): void {
    if (timeMs >= this.#monthEndMs) this.#startMonth(timeMs)
    this.#timeMs = timeMs
    this.#left = COUNTER_END
    this.#bytes.writeInt32BE(timeMs - this.#monthStartMs, ID_AT.monthMs)
    this.#prefix = this.#bytes.toString('hex', 0, ID_AT.counter).toUpperCase()
  }

  /** A new month counts from 0 again, so it gets a new random part. */
  #startMonth(timeMs: number): void {
    const date = new Date(timeMs)
    this.#monthStartMs = new Date(date.getFullYear(), date.getMonth()).getTime()
    this.#monthEndMs = new Date(date.getFullYear(), date.getMonth() + 1).getTime()
    this.#bytes.writeUInt32BE(Math.floor(this.#options.random() * 2 ** 32), ID_AT.makerId)
  }
}
