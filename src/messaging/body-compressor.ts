/** Compresses the bodies of one producer, where that makes them smaller.   RocketMQ: DefaultMQProducerImpl.tryToCompressMessage. */
import type { CompressionType } from '../codec/compression.ts'
import { compressBody, compressionFlags } from '../codec/compression.ts'

/** A compressed body, and the bits that say how. */
export type PackedBody = { readonly body: Buffer; readonly sysFlag: number }

/** What to compress, and how. */
export type BodyCompressorOptions = {
  readonly type: CompressionType
  readonly level: number
  /** Smaller bodies stay as they are. */
  readonly bytesMin: number
}

/** Compresses bodies. */
export class BodyCompressor {
  readonly #options: BodyCompressorOptions

  /** @throws INVALID_ARGUMENT where this Node cannot compress so */
  constructor(options: BodyCompressorOptions) {
    this.#options = options
    // Found out now, not at the first large message.
    compressBody(Buffer.alloc(64), options.type, options.level)
  }

  /** Undefined where the body is better stored as it is. */
  pack(body: Uint8Array): PackedBody | undefined {
    const { type, level, bytesMin } = this.#options
    if (body.length < bytesMin) return undefined
    const packed = compressBody(body, type, level)
    return packed.length < body.length ? { body: packed, sysFlag: compressionFlags(type) } : undefined
  }
}
