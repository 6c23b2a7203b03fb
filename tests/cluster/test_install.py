"""What `cmake --install` puts somewhere is all that a program of somebody else needs, by pkg-config and by find_package."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import BIN, ROOT, Cluster, main

OUTSIDE = os.path.join(ROOT, "tests/cluster/outside")
STRICT = {"c": ["cc", "-std=c11", "-pedantic-errors", "-Wall", "-Wextra", "-Wstrict-prototypes", "-Werror"],
          "cc": ["c++", "-std=c++11", "-pedantic-errors", "-Wall", "-Wextra", "-Wold-style-cast", "-Werror"]}


def output_of(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: status {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="candor-install-")
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        staged = os.path.join(cls.dir, "staged")
        output_of(["cmake", "--install", os.path.dirname(BIN), "--prefix", "/opt/candor"], env={**os.environ, "DESTDIR": staged})
        cls.tree = os.path.join(cls.dir, "another place", "candor")  # not where it was installed to: it may be moved
        os.mkdir(os.path.dirname(cls.tree))
        os.rename(os.path.join(staged, "opt/candor"), cls.tree)
        cls.libraries = os.path.dirname(next(os.path.join(folder, "libcandor.so") for folder, _, names in os.walk(cls.tree)
                                             if "libcandor.so" in names))
        cls.environment = {**os.environ, "PKG_CONFIG_PATH": os.path.join(cls.libraries, "pkgconfig"),
                           "LD_LIBRARY_PATH": cls.libraries}
        cls.cluster = Cluster({"a": "voter"}, binaries=os.path.join(cls.tree, "bin"))
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.up().wait_fresh()

    def compile(self, language, name, *options):
        """With what pkg-config says, in an empty directory, where only the program's source is."""
        place = tempfile.mkdtemp(dir=self.dir)
        shutil.copy(os.path.join(OUTSIDE, "program." + language), place)
        flags = output_of(["pkg-config", "--cflags", "--libs", *options, "candor"], env=self.environment)
        words = output_of(["sh", "-c", f"printf '%s\\n' {flags}"]).splitlines()
        output_of([*STRICT[language], "program." + language, "-o", name, *words, *(["-static"] if options else [])], cwd=place)
        return os.path.join(place, name)

    def needed(self, program):
        return output_of(["readelf", "-d", program])

    def check(self, program):
        said = output_of([program, self.cluster.addresses()["a"], os.path.basename(program)], env=self.environment)
        self.assertEqual(said, "good\n")

    def test_headers_are_clean_c11_and_cxx11_each_alone(self):
        for header in sorted(os.listdir(os.path.join(self.tree, "include/candor"))):
            for language, command in STRICT.items():
                output_of([*command, "-fsyntax-only", f"-I{self.tree}/include", "-x", {"c": "c", "cc": "c++"}[language], "-"],
                          input=f"#include <candor/{header}>\n")

    def test_pkg_config_gives_the_shared_library(self):
        for language in STRICT:
            program = self.compile(language, f"{language}-shared")
            self.assertIn("libcandor.so.0.1]", self.needed(program))
            self.check(program)

    def test_pkg_config_static_needs_no_library_at_run_time(self):
        for language in STRICT:
            program = self.compile(language, f"{language}-static", "--static")
            self.assertNotIn("NEEDED", self.needed(program))
            self.check(program)

    def test_find_package_gives_both(self):
        source, build = os.path.join(self.dir, "project"), os.path.join(self.dir, "project-build")
        shutil.copytree(OUTSIDE, source)
        output_of(["cmake", "-G", "Ninja", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={self.tree}"])
        output_of(["cmake", "--build", build])
        for language in STRICT:
            for kind in ("candor", "candor_static"):
                program = os.path.join(build, f"{language}-{kind}")
                self.assertEqual("libcandor.so.0.1]" in self.needed(program), kind == "candor")
                self.check(program)

    def test_a_program_of_a_later_version_is_understood_or_refused(self):
        later = os.path.join(self.dir, "later")
        shutil.copytree(os.path.join(self.tree, "include"), os.path.join(later, "include"))
        header = os.path.join(later, "include/candor/client.h")
        with open(header, encoding="utf-8") as f:
            text = f.read()
        before, body = text.split("struct candor_read_options {", 1)
        with open(header, "w", encoding="utf-8") as f:
            f.write(before + "struct candor_read_options {" +
                    re.sub(r"uint64_t reserved\[(\d+)\];", lambda m: f"uint64_t of_later; uint64_t reserved[{int(m[1]) - 1}];", body, count=1))
        program = os.path.join(later, "program")
        output_of(["cc", "-std=c11", os.path.join(OUTSIDE, "later.c"), f"-I{later}/include", f"-L{self.libraries}", "-lcandor",
                   "-o", program])
        self.check(program)

    def test_whatever_it_is_refused_the_process_goes_on(self):
        """Each thread and descriptor in turn, and allocation after allocation, within the library as it is installed."""
        shutil.copy(os.path.join(OUTSIDE, "shortage.c"), self.dir)
        flags = output_of(["pkg-config", "--cflags", "--libs", "candor"], env=self.environment)
        words = output_of(["sh", "-c", f"printf '%s\\n' {flags}"]).splitlines()
        program = os.path.join(self.dir, "shortage")
        output_of(["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "shortage.c", "-o", program, *words], cwd=self.dir)
        for kind, first, step in (("threads", 1, 1), ("descriptors", 1, 1), ("memory", 1, 4), ("memory-on", 2, 6)):
            output_of([program, self.cluster.addresses()["a"], kind, str(first), str(step)], env=self.environment)
        with Cluster({"a": "voter"}, binaries=os.path.join(self.tree, "bin")) as cluster:  # a file is dialled in another way
            with open(cluster.topology, encoding="utf-8") as f:
                text = re.sub(r"rpc: tcp:\S+", f"rpc: ipc://{cluster.dir}/rpc", f.read())
            with open(cluster.topology, "w", encoding="utf-8") as f:
                f.write(text)
            cluster.up().wait_fresh()
            output_of([program, cluster.addresses()["a"], "memory", "2", "4"], env=self.environment)

    def test_nothing_names_where_it_was_built_or_installed(self):
        for folder, _, names in os.walk(self.libraries):
            for name in names:
                if name.endswith((".pc", ".cmake")):
                    with open(os.path.join(folder, name), encoding="utf-8") as f:
                        text = f.read()
                    self.assertNotIn(ROOT, text)
                    self.assertNotIn("/opt/candor", text)

    def test_there_are_protos_topologies_documents_man_pages_and_completion(self):
        for path in ("share/candor/proto/candor/v1/kv.proto", "share/doc/candor/examples/topologies/three.yaml",
                     "share/doc/candor/docs/libcandor.md", "share/doc/candor/README.md",
                     "share/man/man1/kvctl-get.1", "share/man/man8/kvd.8", "share/man/man3/candor_get.3"):
            self.assertTrue(os.path.exists(os.path.join(self.tree, path)), path)
        for shell, path in (("bash", "bash-completion/completions/kvctl"), ("zsh", "zsh/site-functions/_kvctl"),
                            ("fish", "fish/vendor_completions.d/kvctl.fish")):
            with open(os.path.join(self.tree, "share", path), encoding="utf-8") as f:
                self.assertEqual(f.read(), output_of([os.path.join(self.tree, "bin/kvctl"), "completion", shell]))


if __name__ == "__main__":
    main()
