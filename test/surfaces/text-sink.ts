/** A stream that keeps what is written to it. */
import { Writable } from 'node:stream'

export class TextSink extends Writable {
  readonly #onText: (text: string) => void
  #text = ''

  constructor(onText: (text: string) => void = () => undefined) {
    super()
    this.#onText = onText
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#text += chunk.toString()
    this.#onText(this.#text)
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
