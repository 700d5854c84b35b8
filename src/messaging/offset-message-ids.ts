/** Offset message ids of new records, made from a cached prefix: every receipt has one. FORMAT section 21. */

import { parseHost } from '../codec/host.ts'
import { offsetMessageId } from '../codec/message-id.ts'

/** Ids of one 64 KiB block of the log differ in their last four digits. */
const BLOCK = 65_536
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).toUpperCase().padStart(2, '0'),
)

/** Makes the ids of one store host. */
export class OffsetMessageIds {
  readonly #host: ReturnType<typeof parseHost>
  #block = -1
  #prefix = ''

  /** @param advertise the address in new records */
  constructor(advertise: { readonly host: string; readonly port: number }) {
    const { host, port } = advertise
    this.#host = parseHost(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
  }

  /** The id of the record at `physicalOffset`. */
  at(physicalOffset: number): string {
    const block = Math.floor(physicalOffset / BLOCK)
    if (block !== this.#block) {
      this.#prefix = offsetMessageId(this.#host, block * BLOCK).slice(0, -4)
      this.#block = block
    }
    const low = physicalOffset % BLOCK
    return this.#prefix + (HEX[low >> 8] as string) + (HEX[low & 0xff] as string)
  }
}
