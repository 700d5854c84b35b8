/** `pocketmq verify`: a read-only audit of every byte. */
import type { CommandSpec } from './command.ts'
import { EXIT_BAD_NEWS, EXIT_DONE } from './exit-codes.ts'
import { bytesText, countText } from './figures.ts'
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
    const { findings, findingCount, records, bytes } = report
    await output.answer(report, () => {
      if (findingCount === 0) return `clean: ${countText(records)} records, ${bytesText(bytes)}, no finding`
      const rows = findings.map(({ file, offset, expected, found }) => [file, offset ?? '', expected, found])
      return `${tableText(HEAD, rows)}\n${countText(findingCount)} findings in ${countText(records)} records`
    })
    return findingCount === 0 ? EXIT_DONE : EXIT_BAD_NEWS
  },
}
