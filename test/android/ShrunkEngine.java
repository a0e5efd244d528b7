import com.dokar.quickjs.QuickJs;
import com.dokar.quickjs.QuickJsException;
import com.dokar.quickjs.binding.FunctionBinding;
import com.dokar.quickjs.binding.JsObject;
import dev.porthole.host.Porthole;
import dev.porthole.host.PortholeEvent;
import dev.porthole.host.engine.ScriptBundle;
import java.io.File;
import java.io.InputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import kotlin.Unit;
import kotlin.coroutines.Continuation;
import kotlin.coroutines.CoroutineContext;
import kotlinx.coroutines.Dispatchers;
import kotlinx.coroutines.Job;
import kotlinx.coroutines.JobKt;

/**
 * Uses engine and host in every way that reaches classes by name from native code. apk.test.ts shrinks it together with
 * them by the app's rules and runs the result: {@code ShrunkEngine dist/core.js}. Each check prints its name; the first
 * that fails, or a process that ends early, fails the test.
 */
final class ShrunkEngine {
    private static final Job JOB = JobKt.Job(null);

    private static final Continuation<Object> DONE =
            new Continuation<>() {
                @Override
                public CoroutineContext getContext() {
                    return JOB;
                }

                @Override
                public void resumeWith(Object result) {}
            };

    public static void main(String[] args) throws Exception {
        QuickJs engine = QuickJs.Companion.create(Dispatchers.getUnconfined());
        check("a number", ((Number) evaluate(engine, "6 * 7")).intValue() == 42);
        check("an Int8Array", ((byte[]) evaluate(engine, "new Int8Array([1, 2, 3])")).length == 3);
        Object unsigned = evaluate(engine, "new Uint8Array([1, 2, 255])");
        check("a Uint8Array", unsigned.toString().equals("UByteArray(storage=[1, 2, -1])"));
        check("an object", Long.valueOf(1).equals(((JsObject) evaluate(engine, "({ a: 1 })")).get("a")));
        List<?> both = (List<?>) evaluate(engine, "[new Map([[1, 2]]), new Set([3])]");
        check("a map and a set", both.get(0) instanceof Map && both.get(1) instanceof Set);
        engine.defineBinding("nothing", (FunctionBinding<Unit>) values -> Unit.INSTANCE);
        check("a function without a result", evaluate(engine, "String(nothing())").toString().length() > 0);
        engine.defineBinding("bytes", (FunctionBinding<byte[]>) values -> new byte[] {5});
        check("bytes of the host", ((Number) evaluate(engine, "bytes()[0]")).intValue() == 5);
        try {
            evaluate(engine, "null.x");
            check("an error", false);
        } catch (Exception error) {
            // Kotlin declares no exceptions, so Java can't catch it by its name.
            check("an error", error instanceof QuickJsException && error.getMessage().contains("null"));
        }
        check("memory", engine.getMemoryUsage().toString().length() > 0);
        engine.close();
        serve(new File(args[0]));
    }

    private static void serve(File bundle) throws Exception {
        CompletableFuture<PortholeEvent.Ready> ready = new CompletableFuture<>();
        String users = "\"users\":[{\"name\":\"me\",\"password\":\"pw\"}]";
        Porthole server =
                Porthole.Companion.start(
                        options -> {
                            options.setBundle(ScriptBundle.Companion.fromFile(bundle));
                            options.setConfig(
                                    "{\"address\":\"127.0.0.1\",\"rtsp\":{\"port\":0},\"http\":{\"port\":0}," + users + "}");
                            options.onEvent(
                                    event -> {
                                        if (event instanceof PortholeEvent.Ready) ready.complete((PortholeEvent.Ready) event);
                                        return Unit.INSTANCE;
                                    });
                            return Unit.INSTANCE;
                        });
        PortholeEvent.Ready ports = ready.get(30, TimeUnit.SECONDS);
        String options = ask(ports.getRtspPort(), "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n");
        check("RTSP", options.startsWith("RTSP/1.0 200"));
        String login = Base64.getEncoder().encodeToString("me:pw".getBytes(StandardCharsets.US_ASCII));
        String host = "Host: 127.0.0.1:" + ports.getHttpPort() + "\r\nAuthorization: Basic " + login + "\r\n\r\n";
        check("HTTP", ask(ports.getHttpPort(), "GET /api/status HTTP/1.1\r\n" + host).startsWith("HTTP/1.1 200"));
        server.stop();
        check("an orderly end", Integer.valueOf(0).equals(server.await(10_000)));
    }

    private static String ask(int port, String request) throws Exception {
        try (Socket socket = new Socket("127.0.0.1", port)) {
            socket.setSoTimeout(10_000);
            socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
            InputStream in = socket.getInputStream();
            byte[] answer = new byte[4096];
            int length = in.read(answer);
            return new String(answer, 0, Math.max(0, length), StandardCharsets.ISO_8859_1);
        }
    }

    private static Object evaluate(QuickJs engine, String code) {
        return engine.evaluateInternal(code, "test.js", false, DONE);
    }

    private static void check(String name, boolean holds) {
        if (!holds) throw new AssertionError(name);
        System.out.println(name);
    }
}
