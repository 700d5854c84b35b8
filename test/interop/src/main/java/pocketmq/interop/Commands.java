package pocketmq.interop;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

import com.alibaba.fastjson2.JSON;

/** Commands on standard input, one a line, fields parted by tabs; each is answered in JSON lines that end with "t":"done" or "t":"failed". */
final class Commands {
    private final PrintStream out;
    private boolean ended;

    Commands(PrintStream out) {
        this.out = out;
    }

    /** What a command does; it answers through {@link #say}. */
    interface Runner {
        void run(String[] words) throws Exception;
    }

    /** Says that the program is ready, then runs commands until {@link #end} or the end of the input. */
    void serve(Runner runner) throws IOException {
        say("done", Map.of());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null && !ended; line = ended ? null : in.readLine()) {
            try {
                runner.run(line.split("\t"));
                say("done", Map.of());
            } catch (Exception failure) {
                say("failed", Map.of("reason", String.valueOf(failure)));
            }
        }
    }

    /** No command comes after this one. */
    void end() {
        ended = true;
    }

    void say(String kind, Map<String, Object> fields) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("t", kind);
        line.putAll(fields);
        out.println(JSON.toJSONString(line));
    }
}
