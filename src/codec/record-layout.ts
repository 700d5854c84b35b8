/**
 * One commit-log record. Big-endian, all integers signed.   RocketMQ: CommitLog, MessageDecoder.
 *
 * | offset | bytes | field                     | meaning                                                         |
 * | -----: | ----: | ------------------------- | --------------------------------------------------------------- |
 * |      0 |     4 | totalSize                 | the whole record, this field included                           |
 * |      4 |     4 | magic                     | V1 0xDAA320A7, V2 0xDAA320AB; 0xCBD43194 is a filler, see below |
 * |      8 |     4 | bodyCrc                   | CRC-32 of the stored body without its top bit; 0 for no body    |
 * |     12 |     4 | queueId                   |                                                                 |
 * |     16 |     4 | flag                      | opaque, the user's                                              |
 * |     20 |     8 | queueOffset               | index in the queue; 0 for PREPARED and ROLLBACK                 |
 * |     28 |     8 | physicalOffset            | of this record's first byte in the log                          |
 * |     36 |     4 | sysFlag                   | bits below                                                      |
 * |     40 |     8 | bornTimestamp             | the producer's clock, epoch ms                                  |
 * |     48 |     8 | bornHost                  | address, port i32; 20 bytes with BORN_HOST_IPV6_FLAG            |
 * |     56 |     8 | storeTimestamp            | the store's clock, epoch ms; greater than 0, never falls        |
 * |     64 |     8 | storeHost                 | address, port i32; 20 bytes with STORE_HOST_IPV6_FLAG           |
 * |     72 |     4 | reconsumeTimes            | how often it was delivered before                               |
 * |     76 |     8 | preparedTransactionOffset | of a commit record: its half message's physicalOffset           |
 * |     84 |     4 | bodyLength                | bytes of the body that follows                                  |
 *
 * Each IPv6 host moves every later field by 12. Then come the body, the topic's length (one byte in V1, two in V2), the topic,
 * the properties' length (two bytes) and the properties (properties.ts), perhaps closed by a record CRC (record-crc.ts).
 */
import { assert } from '../base/assert.ts'
import { HOST_BYTES, HOST_IPV6_BYTES } from './host.ts'
import { layoutBytes, offsetsOf } from './layout.ts'

/** A record whose hosts are both IPv4, up to its body. */
export const RECORD_LAYOUT = [
  { offset: 0, bytes: 4, field: 'totalSize' },
  { offset: 4, bytes: 4, field: 'magic' },
  { offset: 8, bytes: 4, field: 'bodyCrc' },
  { offset: 12, bytes: 4, field: 'queueId' },
  { offset: 16, bytes: 4, field: 'flag' },
  { offset: 20, bytes: 8, field: 'queueOffset' },
  { offset: 28, bytes: 8, field: 'physicalOffset' },
  { offset: 36, bytes: 4, field: 'sysFlag' },
  { offset: 40, bytes: 8, field: 'bornTimestamp' },
  { offset: 48, bytes: 8, field: 'bornHost' },
  { offset: 56, bytes: 8, field: 'storeTimestamp' },
  { offset: 64, bytes: 8, field: 'storeHost' },
  { offset: 72, bytes: 4, field: 'reconsumeTimes' },
  { offset: 76, bytes: 8, field: 'preparedTransactionOffset' },
  { offset: 84, bytes: 4, field: 'bodyLength' },
] as const

/**
 * What closes a segment whose next record did not fit; the rest of the segment means nothing.   RocketMQ: BLANK_MAGIC_CODE.
 *
 * | offset | bytes | field          | meaning                                           |
 * | -----: | ----: | -------------- | ------------------------------------------------- |
 * |      0 |     4 | remainingBytes | from the filler's first byte to the segment's end |
 * |      4 |     4 | magic          | 0xCBD43194                                        |
 */
export const FILLER_LAYOUT = [
  { offset: 0, bytes: 4, field: 'remainingBytes' },
  { offset: 4, bytes: 4, field: 'magic' },
] as const

const AT = offsetsOf(RECORD_LAYOUT)
const FILLER_AT = offsetsOf(FILLER_LAYOUT)

export const TOTAL_SIZE_OFFSET: number = AT.totalSize
export const MAGIC_OFFSET: number = AT.magic
export const BODY_CRC_OFFSET: number = AT.bodyCrc
export const QUEUE_ID_OFFSET: number = AT.queueId
export const FLAG_OFFSET: number = AT.flag
export const QUEUE_OFFSET_OFFSET: number = AT.queueOffset
export const PHYSICAL_OFFSET_OFFSET: number = AT.physicalOffset
export const SYS_FLAG_OFFSET: number = AT.sysFlag
export const BORN_TIMESTAMP_OFFSET: number = AT.bornTimestamp
export const BORN_HOST_OFFSET: number = AT.bornHost
/** The `_IPV4` ones hold where both hosts are IPv4; add {@link HOST_IPV6_EXTRA_BYTES} for each IPv6 host before the field. */
export const STORE_TIMESTAMP_OFFSET_IPV4: number = AT.storeTimestamp
export const STORE_HOST_OFFSET_IPV4: number = AT.storeHost
export const RECONSUME_TIMES_OFFSET_IPV4: number = AT.reconsumeTimes
export const PREPARED_TRANSACTION_OFFSET_OFFSET_IPV4: number = AT.preparedTransactionOffset
export const BODY_LENGTH_OFFSET_IPV4: number = AT.bodyLength
export const BODY_OFFSET_IPV4: number = layoutBytes(RECORD_LAYOUT)

/** How far one IPv6 host moves what comes after it. */
export const HOST_IPV6_EXTRA_BYTES: number = HOST_IPV6_BYTES - HOST_BYTES
export const PROPERTIES_LENGTH_BYTES = 2

/** Record version 1: the topic's length is one signed byte. */
export const MAGIC_V1: number = 0xdaa320a7 | 0
/** Record version 2: the topic's length is two bytes. */
export const MAGIC_V2: number = 0xdaa320ab | 0
export const MAGIC_FILLER: number = 0xcbd43194 | 0
/** Topics longer than this need version 2; it is also all that V1's signed length byte can say. */
export const TOPIC_V1_CHARS_MAX = 127

export const COMPRESSED_FLAG = 0x1
export const MULTI_TAGS_FLAG = 0x2
/** Two bits: 0 none, PREPARED, COMMIT or ROLLBACK. */
export const TRANSACTION_MASK = 0xc
export const TRANSACTION_PREPARED = 0x4
export const TRANSACTION_COMMIT = 0x8
export const TRANSACTION_ROLLBACK = 0xc
export const BORN_HOST_IPV6_FLAG = 0x10
export const STORE_HOST_IPV6_FLAG = 0x20
export const NEED_UNWRAP_FLAG = 0x40
export const INNER_BATCH_FLAG = 0x80
/** Which compression, where COMPRESSED_FLAG is set; 0 means zlib. */
export const COMPRESSION_MASK = 0x700
export const COMPRESSION_LZ4 = 0x100
export const COMPRESSION_ZSTD = 0x200
export const COMPRESSION_ZLIB = 0x300

/** The smallest record there can be: V1, IPv4 hosts, no body, a topic of one byte, no properties. */
export const RECORD_BYTES_MIN: number = BODY_OFFSET_IPV4 + 1 + 1 + PROPERTIES_LENGTH_BYTES

/** Bytes a segment keeps free after its last record. */
export const FILLER_BYTES: number = layoutBytes(FILLER_LAYOUT)

/** Writes a filler at index `at`; `remainingBytes` reach to the segment's end. */
export function writeFiller(view: DataView, at: number, remainingBytes: number): void {
  view.setInt32(at + FILLER_AT.remainingBytes, remainingBytes)
  view.setInt32(at + FILLER_AT.magic, MAGIC_FILLER)
}

assert(BODY_OFFSET_IPV4 + 1 + PROPERTIES_LENGTH_BYTES === 91, 'FORMAT section 2: 91 + body + topic + properties bytes')
assert(FILLER_AT.magic === AT.magic, 'a filler is told from a record by its magic')
