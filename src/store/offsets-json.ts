/**
 * `config/consumerOffset.json`, whose hash our state remembers: at the next open a file that does not hash to it was
 * written by somebody else. FORMAT section 27, "Which offsets hold".
 */
import { createHash } from 'node:crypto'
import type { StoreState } from '../codec/state-page.ts'
import type { Checkpointer } from './checkpointer.ts'
import type { SmallFiles } from './small-files.ts'

/** RocketMQ: ConsumerOffsetManager.configFilePath. */
export const CONSUMER_OFFSET_FILE = 'config/consumerOffset.json'

/** Whether the file is as we last wrote it, or was about to write it. No file and none remembered counts as ours. */
export async function isOffsetsJsonOurs(
  smallFiles: SmallFiles,
  state: Pick<StoreState, 'consumerOffsetSha256' | 'formerConsumerOffsetSha256'>,
): Promise<boolean> {
  const found = await smallFiles.hashOf(CONSUMER_OFFSET_FILE)
  return found === state.consumerOffsetSha256 || found === state.formerConsumerOffsetSha256
}

/** Saves the file and its hash, one call after another. */
export class OffsetsJson {
  readonly #smallFiles: SmallFiles
  readonly #checkpointer: Checkpointer
  #saving: Promise<void> = Promise.resolve()
  /** Hash of the content on the device; not known at first, nor after a save that failed. */
  #onDevice: { readonly sha256: string | undefined } | undefined

  constructor(smallFiles: SmallFiles, checkpointer: Checkpointer) {
    this.#smallFiles = smallFiles
    this.#checkpointer = checkpointer
  }

  /** On the device when it resolves. */
  save(bytes: Uint8Array): Promise<void> {
    this.#saving = this.#saving.catch(() => undefined).then(() => this.#save(bytes))
    return this.#saving
  }

  async #save(bytes: Uint8Array): Promise<void> {
    const consumerOffsetSha256 = createHash('sha256').update(bytes).digest('hex')
    const { state } = this.#checkpointer
    const found = this.#onDevice ?? { sha256: await this.#smallFiles.hashOnDevice(CONSUMER_OFFSET_FILE) }
    if (found.sha256 === consumerOffsetSha256 && found.sha256 === state.consumerOffsetSha256) return
    this.#onDevice = undefined
    // What a broker wrote is not ours before it is replaced: a crash on the way finds it once more.
    const isFormer = found.sha256 === state.formerConsumerOffsetSha256
    const formerConsumerOffsetSha256 = isFormer ? found.sha256 : state.consumerOffsetSha256
    // Both hashes first: whichever content a crash leaves behind is recognised as ours.
    await this.#checkpointer.change({ consumerOffsetSha256, formerConsumerOffsetSha256 })
    await this.#smallFiles.save(CONSUMER_OFFSET_FILE, bytes)
    this.#onDevice = { sha256: consumerOffsetSha256 }
  }
}
