// A project's page.
import { offerActions } from "./actions.js";
import { keepTrue } from "./page_part.js";

keepTrue(document.getElementById("project"));
offerActions();
