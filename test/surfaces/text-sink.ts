/** A stream that keeps what is written to it. */
import { Writable } from 'node:stream'

export class TextSink extends Writable {
  #text = ''

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#text += chunk.toString()
    done()
  }

  /** All of it. */
  text(): string {
    return this.#text
  }

  /** Its lines, without line breaks and without an empty last one. */
  lines(): string[] {
    return this.#text.split('\n').filter(line => line !== '')
  }
}
