/** What a caller says of a message that is to be stored, and the limits of the format.   RocketMQ: MessageExtBrokerInner. */

/** A message to append. Strings are UTF-8 on disk; a body is copied at the call. */
export type RecordFields = {
  readonly topic: string
  readonly queueId: number
  readonly body: Uint8Array
  /** Names and values without U+0001 and U+0002, none empty. Order is kept. `__CRC32#` and `PMQ_UNIT` are the store's own: left out. */
  readonly properties?: Readonly<Record<string, string>>
  /** Opaque to the store. Default 0. */
  readonly flag?: number
  /** RocketMQ's MessageSysFlag bits (compression, transaction type). Host bits are set by the encoder. Default 0. */
  readonly sysFlag?: number
  /** Default: now. */
  readonly bornTimestamp?: number
  /** `host:port`, IPv4 or `[IPv6]:port`. Default: the store's advertised address. */
  readonly bornHost?: string
  readonly reconsumeTimes?: number
  readonly preparedTransactionOffset?: number
}

/** Largest body unless a broker is configured otherwise. RocketMQ: maxMessageSize. */
export const BODY_BYTES_MAX: number = 4 * 1024 * 1024
/** What a record may take beyond its body. */
export const RECORD_OVERHEAD_BYTES_MAX: number = 64 * 1024
/** All properties of one message, encoded, with those that the store adds: their length is a signed 16-bit field. */
export const PROPERTIES_BYTES_MAX = 32_767
/** Longest topic; above 127 only retry and dead-letter topics by convention. */
export const TOPIC_BYTES_MAX = 255
/** Largest record a reader believes in, unless it knows its segment's length: a broker's maxMessageSize may be any. */
export const READABLE_RECORD_BYTES_MAX: number = 1024 * 1024 * 1024
