package main

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

// newPoliciesCommand judges new connections by NetworkPolicies, which the bridge plugin of CNI does not. It is SIG
// Network's reference implementation; its own main knows no kubeconfig and no SIGTERM, so it has this one. The packets
// come by a rule of ocr_cluster/network.py: the nftables table of its own needs a part of the kernel that may be missing.
func newPoliciesCommand() *cobra.Command {
	var kubeconfig, nodeName, table string
	var queue int
	command := &cobra.Command{
		Use:          "kube-network-policies",
		SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error {
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return enforcePolicies(ctx, kubeconfig, networkpolicy.Config{
				NodeName:    nodeName,
				NFTableName: table,
				QueueID:     queue,
				FailOpen:    true,
			})
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	command.Flags().StringVar(&nodeName, "hostname-override", "", "the node's name")
	command.Flags().StringVar(&table, "table", "kube-network-policies", "the nftables table, which goes with the process")
	command.Flags().IntVar(&queue, "nfqueue-id", 100, "the queue that packets come by")
	return command
}

func enforcePolicies(ctx context.Context, kubeconfig string, settings networkpolicy.Config) error {
	server, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	clients, err := kubernetes.NewForConfig(server)
	if err != nil {
		return err
	}
	objects := informers.NewSharedInformerFactory(clients, 0)
	controller, err := networkpolicy.NewController(
		clients,
		objects.Networking().V1().NetworkPolicies(),
		objects.Core().V1().Namespaces(),
		objects.Core().V1().Pods(),
		nil, nil, nil, nil,
		settings,
	)
	if err != nil {
		return err
	}
	objects.Start(ctx.Done())
	return controller.Run(ctx)
}
