// Command hyper holds a whole test cluster in one binary: `hyper kube-apiserver ...`, or a symlink called
// kube-apiserver. One binary because the components share nearly all of their code: together they take 142 MB
// where the API server alone takes 103, and are linked once.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	_ "time/tzdata" // CronJobs name time zones; a bare machine has no database of them

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// lifelineVariable, when set, binds the process to whoever holds the other end of its standard input.
const lifelineVariable = "HYPER_LIFELINE"

// components are the commands by name; each runs until it fails or is told to stop, and returns the exit status.
var components = map[string]func(args []string) int{
	"etcd": func(args []string) int { etcdmain.Main(args); return 0 },
	"kubectl": func([]string) int {
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			util.CheckErr(err)
		}
		return 0
	},
	"kube-apiserver":          server(apiserver.NewAPIServerCommand),
	"kube-controller-manager": server(controllermanager.NewControllerManagerCommand),
	"kube-scheduler":          server(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kube-network-policies":   server(newPoliciesCommand),
	"kube-proxy":              server(proxy.NewProxyCommand),
	"kubelet":                 server(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
}

func server(command func() *cobra.Command) func([]string) int {
	return func([]string) int { return cli.Run(command()) }
}

func main() {
	if component := components[filepath.Base(os.Args[0])]; component != nil {
		os.Exit(component(os.Args))
	}
	if len(os.Args) < 2 || components[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: hyper etcd|kubectl|kube-apiserver|kube-controller-manager|kube-scheduler|kube-network-policies|kube-proxy|kubelet ...")
		os.Exit(2)
	}
	if os.Getenv(lifelineVariable) != "" {
		go exitWithParent()
	}
	os.Args = os.Args[1:] // the components read their own flags from here
	os.Exit(components[os.Args[0]](os.Args))
}

// exitWithParent ends the process when its standard input closes. The kernel closes a pipe however its holder
// ends, kill -9 included, so a test's control plane can't outlive the test.
func exitWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}
