/** `pocketmq verify`: a read-only audit of every byte. */
import type { CommandSpec } from './command.ts'
import { EXIT_BAD_NEWS, EXIT_DONE } from './exit-codes.ts'
import type { FolderOptions } from './folder.ts'
import { FOLDER_OPTIONS, readStore } from './folder.ts'
import { tableText } from './output.ts'

const HEAD = ['file', 'offset', 'expected', 'found']

export const verifyCommand: CommandSpec<FolderOptions> = {
  usage: 'verify <dir>',
  about:
    'audits log, consume queues, index, checkpoint and offsets against one another; exit 1 with each finding; read-only',
  options: FOLDER_OPTIONS,
  async run({ args: [dir = ''], options, output, signal }) {
    await using store = await readStore(dir, options, output)
    const bar = output.bar('verifying', 1)
    const report = await store
      .verify({ signal, onProgress: ({ done, total }) => bar.update(done, total) })
      .finally(() => bar.stop())
    const { findings } = report
    await output.answer(report, () =>
      findings.length === 0
        ? 'clean: no finding'
        : tableText(
            HEAD,
            findings.map(({ file, offset, expected, found }) => [file, offset ?? '', String(expected), String(found)]),
          ),
    )
    return findings.length === 0 ? EXIT_DONE : EXIT_BAD_NEWS
  },
}
