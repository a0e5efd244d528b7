import java.io.BufferedOutputStream;
import java.io.InputStream;
import java.io.ObjectInputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeSet;
import java.util.zip.GZIPInputStream;
import org.codehaus.mojo.animal_sniffer.Clazz;

/**
 * Prints what one Android version shows to apps, from a signature file of animal-sniffer, which stands on the class path:
 *
 *     java -cp animal-sniffer.jar ApiSignatures.java FILE.signature
 *
 * One line a class: name, super class, interfaces, members; separated by tabs, names with slashes, lists by blanks.
 */
final class ApiSignatures {
    public static void main(String[] args) throws Exception {
        try (InputStream file = Files.newInputStream(Path.of(args[0]));
                ObjectInputStream in = new ObjectInputStream(new GZIPInputStream(file));
                PrintStream out = new PrintStream(new BufferedOutputStream(System.out, 1 << 16))) {
            for (Clazz one = (Clazz) in.readObject(); one != null; one = (Clazz) in.readObject()) {
                String superClass = one.getSuperClass() == null ? "" : one.getSuperClass();
                String interfaces = one.getSuperInterfaces() == null ? "" : String.join(" ", one.getSuperInterfaces());
                String members = String.join(" ", new TreeSet<>(one.getSignatures()));
                out.println(String.join("\t", one.getName(), superClass, interfaces, members));
            }
        }
    }
}
