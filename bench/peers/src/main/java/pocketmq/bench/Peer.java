package pocketmq.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

import com.alibaba.fastjson2.JSON;
import com.alibaba.fastjson2.JSONObject;

/** Answers measurements, one JSON line each way; the same lines as bench/support/protocol.ts. */
interface Peer {
    /** Measures one workload, or answers null where it does not know it. */
    Map<String, Object> measure(JSONObject request) throws Exception;

    static void serve(Peer peer) throws IOException {
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            JSONObject request = JSON.parseObject(line);
            Map<String, Object> answer;
            try {
                answer = peer.measure(request);
                if (answer == null) {
                    answer = one("unsupported", "has no '" + request.getString("workload") + "'");
                }
            } catch (UnsupportedOperationException unsupported) {
                answer = one("unsupported", unsupported.getMessage());
            } catch (Throwable thrown) {
                StringWriter trace = new StringWriter();
                thrown.printStackTrace(new PrintWriter(trace));
                answer = one("failed", trace.toString());
            }
            answers.println(JSON.toJSONString(answer));
        }
        Runtime.getRuntime().halt(0);
    }

    static Map<String, Object> one(String name, Object value) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put(name, value);
        return answer;
    }

    /** Bytes that do not compress to nothing. */
    static byte[] body(int size) {
        byte[] body = new byte[size];
        int x = 1;
        for (int i = 0; i < size; i++) {
            x = x * 1_103_515_245 + 12_345;
            body[i] = (byte) (x >>> 24);
        }
        return body;
    }
}
