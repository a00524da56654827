# The Homebrew formula. The checksums are those of a release: `.ci/packages SHA256SUMS` writes them.
class SaHygiene < Formula
  desc "Check Kubernetes manifests and clusters for ServiceAccount token hygiene"
  homepage "https://github.com/kubewarden/serviceaccount-hygiene"
  version "0.2.0"
  license "Apache-2.0"

  on_macos do
    on_arm do
      url "https://github.com/kubewarden/serviceaccount-hygiene/releases/download/v0.2.0/sa-hygiene-v0.2.0-aarch64-apple-darwin.tar.gz"
      sha256 "0000000000000000000000000000000000000000000000000000000000000000"
    end
    on_intel do
      url "https://github.com/kubewarden/serviceaccount-hygiene/releases/download/v0.2.0/sa-hygiene-v0.2.0-x86_64-apple-darwin.tar.gz"
      sha256 "0000000000000000000000000000000000000000000000000000000000000000"
    end
  end

  on_linux do
    on_arm do
      url "https://github.com/kubewarden/serviceaccount-hygiene/releases/download/v0.2.0/sa-hygiene-v0.2.0-aarch64-unknown-linux-musl.tar.gz"
      sha256 "0000000000000000000000000000000000000000000000000000000000000000"
    end
    on_intel do
      url "https://github.com/kubewarden/serviceaccount-hygiene/releases/download/v0.2.0/sa-hygiene-v0.2.0-x86_64-unknown-linux-musl.tar.gz"
      sha256 "0000000000000000000000000000000000000000000000000000000000000000"
    end
  end

  def install
    bin.install "sa-hygiene"
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/sa-hygiene.bash" => "sa-hygiene"
    zsh_completion.install "completions/_sa-hygiene"
    fish_completion.install "completions/sa-hygiene.fish"
  end

  test do
    assert_equal "sa-hygiene #{version}", shell_output("#{bin}/sa-hygiene --version").strip
    (testpath/"pod.yaml").write <<~YAML
      apiVersion: v1
      kind: Pod
      metadata: {name: web}
      spec: {containers: [{name: web, image: "registry.example.com/web:1"}]}
    YAML
    assert_match "pod-automount", shell_output("#{bin}/sa-hygiene check pod.yaml --fail-on never")
  end
end
